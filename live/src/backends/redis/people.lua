#!lua
-- Writes records of people if the records that the rule read are unchanged.
-- KEYS: the hash of the records.
-- ARGV: most identities; growth of their number by this; number of records read; each of them (field, 1 or 0 for
-- present or not, value); then each record to write (in the same form).
-- Answers 0 written, 1 a record has changed, 2 there would be too many identities.
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
