-- ARGV: ..., binding.
local found = fields(record)
if not found or found.verdict ~= 'Approved' or found.binding ~= ARGV[4] then return 0 end
redis.call('UNLINK', record, bindings .. found.binding)
redis.call('ZREM', index, id)
return 1
