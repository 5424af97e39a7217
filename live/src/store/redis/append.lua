#!lua
-- Takes events in: each counts once, and gets its number.
-- KEYS: the log; then for each event the key of its id.
-- ARGV: the ttl in milliseconds; then for each event its fingerprint (16 bytes), when it was received, itself.
-- Answers two numbers an event: 0 accepted, 1 duplicate, 2 conflict; when the event of that id was received.
local log = KEYS[1]
local ttl = tonumber(ARGV[1])

local last = 0
if redis.call('EXISTS', log) == 1 then
  local info = redis.call('XINFO', 'STREAM', log)
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then
      last = tonumber(string.match(info[n + 1], '^%d+'))
    end
  end
end

local answer = {}
for n = 2, #KEYS do
  local at = 3 * (n - 2) + 2
  local fingerprint, received, event = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local known = redis.call('GET', KEYS[n])
  local first = known and tonumber(string.sub(known, 17))
  local outcome = 0
  if first and first > tonumber(received) - ttl then
    outcome = string.sub(known, 1, 16) == fingerprint and 1 or 2
  else
    first = tonumber(received)
    last = last + 1
    redis.call('XADD', log, string.format('%.0f-0', last), 'at', received, 'event', event)
    redis.call('SET', KEYS[n], fingerprint .. received, 'PX', ttl)
  end
  answer[#answer + 1] = outcome
  answer[#answer + 1] = first
end
return answer
