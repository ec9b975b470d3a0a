-- ARGV: ..., verdict, by.
local found = fields(record)
if found and found.verdict == 'Pending' then
  redis.call('HSET', record, 'verdict', ARGV[3], 'by', ARGV[4])
end
return seen(record)
