if not lives(id) then return false end
redis.call('ZADD', used, 'XX', whole(now), id)
return redis.call('GET', record)
