local count = 0
for _, each in ipairs(redis.call('ZRANGE', owned, 0, -1)) do
  local expires = redis.call('HGET', prefix .. each, 'expires')
  if expires and tonumber(expires) > now then count = count + 1 end
  drop(each)
end
return count
