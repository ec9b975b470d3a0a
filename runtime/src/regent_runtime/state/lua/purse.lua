-- What the scripts of purses share. KEYS: held, then purses. Amounts are billionths of a dollar, exact below 2^53.
local held = KEYS[1]
local now = clock()
local spans = {conversation = 86400 * 1000000, minute = 120 * 1000000, day = 2 * 86400 * 1000000, month = 32 * 86400 * 1000000}

-- The month of a day since 1970, counted from the year 0 (Howard Hinnant, "chrono-compatible date algorithms").
local function month_of(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local day = z - era * 146097
  local year = math.floor((day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
  local of_year = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local march = math.floor((5 * of_year + 2) / 153)
  local month = march < 10 and march + 3 or march - 9
  return (year + era * 400 + (month <= 2 and 1 or 0)) * 12 + month
end

local function index(period)
  if period == 'turn' or period == 'conversation' then return 0 end
  if period == 'minute' then return math.floor(now / (60 * 1000000)) end
  local days = math.floor(now / (86400 * 1000000))
  return period == 'day' and days or month_of(days)
end
