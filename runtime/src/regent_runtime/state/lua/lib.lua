local function whole(number) return string.format('%.0f', number) end

-- Let a key live for at least these microseconds: what has its own expiry inside must not go with an earlier one.
local function keep(key, span)
  local millis = math.ceil((span + grace) / 1000)
  if redis.call('PTTL', key) < millis then redis.call('PEXPIRE', key, whole(millis)) end
end
