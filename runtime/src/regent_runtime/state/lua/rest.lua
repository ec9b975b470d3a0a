-- ARGV: ..., visit. Returns how many are active at the pod.
if known() and redis.call('HGET', record, 'active') == active then visit(tonumber(ARGV[5])) end
return active_here()
