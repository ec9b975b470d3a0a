-- What the scripts of kept answers share. KEYS: answer, used, ends, sizes. ARGV: prefix of answers, prefix of owners, id, ...
-- A meaning stands under its answer's name and ':meaning', a log under its own and ':meanings'.
local record, used, ends, sizes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local answers, owners, id = ARGV[1], ARGV[2], ARGV[3]
local now = clock()

local function drop(gone)
  local noted = redis.call('HGET', sizes, gone)
  if noted then
    local size, owner, log = string.match(noted, '^(%d+) (%S*) ?(%S*)$')
    redis.call('HINCRBY', sizes, 'all', whole(-tonumber(size)))
    redis.call('HDEL', sizes, gone)
    redis.call('SREM', owners .. owner, gone)
    redis.call('ZREM', answers .. log .. ':meanings', gone)
  end
  redis.call('UNLINK', answers .. gone, answers .. gone .. ':meaning')
  redis.call('ZREM', used, gone)
  redis.call('ZREM', ends, gone)
end

local function lives(each)
  local moment = redis.call('ZSCORE', ends, each)
  return moment and tonumber(moment) > now
end

local function end_expired()
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', whole(now), 'LIMIT', 0, 64)) do drop(gone) end
end
