-- ARGV: ..., most, then pairs of fields. Returns 0 where there is no room, false where nothing is known.
if not known() then return false end
local fields = {}
local function count(names, step)
  for i = 1, #names, step do
    if string.sub(names[i], 1, 2) == 'f:' then fields[names[i]] = true end
  end
end
count(redis.call('HKEYS', record), 1)
count({unpack(ARGV, 6)}, 2)
local together = 0
for _ in pairs(fields) do together = together + 1 end
if together > tonumber(ARGV[5]) then return 0 end
if #ARGV > 5 then redis.call('HSET', record, unpack(ARGV, 6)) end
return 1
