-- What the scripts of conversations share. KEYS: record, all, owned, those active at the pod. ARGV: prefix of records,
-- id, owner, span, ...
local record, all, owned, active = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, id, owner, span = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local owners = owned:sub(1, #owned - #owner)
local now = clock()

local function known()
  local found = redis.call('HMGET', record, 'owner', 'expires')
  return found[1] == owner and found[2] and tonumber(found[2]) > now
end

local function touch()
  local life = math.min(span, tonumber(redis.call('HGET', record, 'life') or span))
  redis.call('HSET', record, 'expires', whole(now + life))
  for _, index in ipairs({all, owners .. owner}) do
    redis.call('ZADD', index, whole(now), id)
    keep(index, span)
  end
  redis.call('PEXPIRE', record, whole(math.ceil(life / 1000))) -- no grace: a class may bound how long it is kept
end

-- Active at this pod, and at no other, for so many microseconds more.
local function visit(seconds)
  local before = redis.call('HGET', record, 'active')
  if before and before ~= active then redis.call('ZREM', before, id) end
  redis.call('HSET', record, 'active', active)
  redis.call('ZADD', active, whole(now + seconds), id)
  keep(active, seconds)
end

-- Where its latest turn was; a turn of it at another pod cuts nothing short there.
local function visit_again(seconds)
  if not known() then return end
  touch()
  local at, till = redis.call('HGET', record, 'active'), whole(now + seconds)
  if at == active then redis.call('ZADD', at, till, id) else redis.call('ZADD', at, 'GT', till, id) end
  keep(at, seconds)
end

local function active_here()
  redis.call('ZREMRANGEBYSCORE', active, '-inf', whole(now))
  return redis.call('ZCARD', active)
end

local function drop(gone)
  local at, whose = unpack(redis.call('HMGET', prefix .. gone, 'active', 'owner'))
  if at then redis.call('ZREM', at, gone) end
  redis.call('UNLINK', prefix .. gone)
  redis.call('ZREM', all, gone)
  redis.call('ZREM', whose and owners .. whose or owned, gone)
end

-- The least recently used go until there are fewer than `most`.
local function make_room(index, most)
  while redis.call('ZCARD', index) >= most do drop(redis.call('ZRANGE', index, 0, 0)[1]) end
end
