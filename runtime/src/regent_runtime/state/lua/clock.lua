-- Stands before every script. Microseconds; keys outlive what they hold by `grace`, should the server's clock be set back.
local grace = 60 * 1000000

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
