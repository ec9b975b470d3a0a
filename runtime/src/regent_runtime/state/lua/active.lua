-- ARGV: ..., visit, then the ids of conversations with a turn in flight. Returns how many are active at the pod.
for position = 6, #ARGV do
  id, record = ARGV[position], prefix .. ARGV[position]
  owner = redis.call('HGET', record, 'owner')
  visit_again(tonumber(ARGV[5]))
end
return active_here()
