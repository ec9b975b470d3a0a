-- ARGV: least, most, lease (microseconds), then for each purse: most, period. Returns the grant or -1, and what was left.
local least, grant, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local purses, left = {}, {}
for i = 2, #KEYS do
  local most, period = tonumber(ARGV[2 * i]), ARGV[2 * i + 1]
  local key = KEYS[i] .. ':' .. whole(index(period))
  purses[i - 1] = {key = key, span = spans[period] or lease}
  left[i - 1] = most - tonumber(redis.call('GET', key) or 0)
  grant = math.min(grant, math.max(0, left[i - 1]))
end
if grant < least then return {-1, unpack(left)} end
local names = {}
for i, purse in ipairs(purses) do
  redis.call('INCRBY', purse.key, whole(grant))
  keep(purse.key, purse.span)
  names[i] = purse.key
end
redis.call('HSET', held, 'amount', whole(grant), 'expires', whole(now + lease), 'purses', cjson.encode(names))
keep(held, lease)
return {grant, unpack(left)}
