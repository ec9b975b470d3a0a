-- What the scripts of conversations share. KEYS: record, all, owned. ARGV: prefix of records, id, owner, span, ...
local record, all, owned = KEYS[1], KEYS[2], KEYS[3]
local prefix, id, owner, span = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = clock()

local function known()
  local found = redis.call('HMGET', record, 'owner', 'expires')
  return found[1] == owner and found[2] and tonumber(found[2]) > now
end

local function touch()
  local life = math.min(span, tonumber(redis.call('HGET', record, 'life') or span))
  redis.call('HSET', record, 'expires', whole(now + life))
  for _, index in ipairs({all, owned}) do
    redis.call('ZADD', index, whole(now), id)
    keep(index, span)
  end
  redis.call('PEXPIRE', record, whole(math.ceil(life / 1000))) -- no grace: a class may bound how long it is kept
end

local function drop(gone)
  redis.call('UNLINK', prefix .. gone)
  redis.call('ZREM', all, gone)
  redis.call('ZREM', owned, gone)
end

-- The least recently used go until there are fewer than `most`.
local function make_room(index, most)
  while redis.call('ZCARD', index) >= most do drop(redis.call('ZRANGE', index, 0, 0)[1]) end
end
