-- ARGV: ..., verdict, by.
local found = fields(record)
if found and found.verdict == 'Pending' then
  redis.call('HSET', record, 'verdict', ARGV[4], 'by', ARGV[5])
end
return seen(record)
