-- ARGV: ..., binding.
local found = fields(record)
if not found or found.verdict ~= 'Approved' or found.binding ~= ARGV[3] then return 0 end
for _, key in ipairs({index, owners .. redis.call('HGET', record, 'owner')}) do redis.call('ZREM', key, id) end
redis.call('UNLINK', record)
return 1
