-- ARGV: ..., visit. Returns the record and how many are active at the pod.
if not known() then return false end
touch()
visit(tonumber(ARGV[5]))
return {redis.call('HGETALL', record), active_here()}
