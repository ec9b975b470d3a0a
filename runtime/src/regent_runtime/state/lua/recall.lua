if not known() then return false end
touch()
return redis.call('HGETALL', record)
