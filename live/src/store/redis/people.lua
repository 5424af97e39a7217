#!lua
-- Writes records of people, if those that the rule saw are still as it saw them.
-- KEYS: the hash of the records.
-- ARGV: how many identities there may be; how many there are more with this; how many records were seen; each of
-- them (field, 1 or 0 for there or not, value); then each that is to be written (the same).
-- Answers 0 written, 1 something has changed, 2 there would be too many.
local hash = KEYS[1]
local growth = tonumber(ARGV[2])
local at = 4

for _ = 1, tonumber(ARGV[3]) do
  local value = redis.call('HGET', hash, ARGV[at])
  local there = ARGV[at + 1] == '1'
  if there ~= (value ~= false) or (there and value ~= ARGV[at + 2]) then
    return 1
  end
  at = at + 3
end

local count = tonumber(redis.call('HGET', hash, 'n') or '0') + growth
if growth > 0 and count > tonumber(ARGV[1]) then
  return 2
end
while at <= #ARGV do
  if ARGV[at + 1] == '1' then
    redis.call('HSET', hash, ARGV[at], ARGV[at + 2])
  else
    redis.call('HDEL', hash, ARGV[at])
  end
  at = at + 3
end
if growth ~= 0 then
  redis.call('HSET', hash, 'n', string.format('%.0f', count))
end
return 0
