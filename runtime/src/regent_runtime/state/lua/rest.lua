-- ARGV: ..., visit. Returns how many are active at the pod.
visit_again(tonumber(ARGV[5]))
return active_here()
