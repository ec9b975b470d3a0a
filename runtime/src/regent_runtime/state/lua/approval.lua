-- What the scripts of approvals share. KEYS: record, index. ARGV: prefix of owners' indices, id, ...
local record, index = KEYS[1], KEYS[2]
local owners, id = ARGV[1], ARGV[2]
local now = clock()

local function fields(key)
  local found = redis.call('HMGET', key, 'binding', 'expires', 'verdict')
  if found[2] and tonumber(found[2]) > now then return {binding = found[1], verdict = found[3]} end
end

-- The record and how many microseconds it has left.
local function seen(key)
  if not fields(key) then return false end
  return {redis.call('HGETALL', key), tonumber(redis.call('HGET', key, 'expires')) - now}
end
