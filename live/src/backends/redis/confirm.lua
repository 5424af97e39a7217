-- Confirms this incarnation of Redis: numbers go on above every one that can have been given.
-- KEYS: the stream; its epoch.
-- ARGV: the highest number that the caller saw; for how many seconds a loss is remembered.
-- Answers: whether it was confirmed by this call; the last number that Redis knew; the number to go on above.
local floor = tonumber(ARGV[1])
local known = redis.call('HMGET', KEYS[2], 'base', 'before', 'at')
local last = math.max(last_of(KEYS[1]), tonumber(known[1] or '0'))
if last_number(KEYS[1], KEYS[2], floor) then
  return { 0, last, last }
end
local now = tonumber(redis.call('TIME')[1])
local base = math.max(last, floor, now * 1048576)
-- Numbers above this were lost, by this return of Redis or by one before that is still remembered.
local before = last
if known[2] and now - tonumber(known[3]) < tonumber(ARGV[2]) then
  before = math.min(before, tonumber(known[2]))
end
local function digits(number)
  return string.format('%.0f', number)
end
redis.call('HSET', KEYS[2], 'run', run_id(), 'base', digits(base), 'before', digits(before), 'at', digits(now))
return { 1, last, base }
