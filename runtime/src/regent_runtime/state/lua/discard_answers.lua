-- ARGV: ..., owner.
local count = 0
for _, each in ipairs(redis.call('SMEMBERS', owners .. ARGV[4])) do
  if lives(each) then count = count + 1 end
  drop(each)
end
return count
