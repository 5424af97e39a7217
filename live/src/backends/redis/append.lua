-- Accepts events: each counts once, and gets its number.
-- KEYS: the log; its epoch; then for each event the key of its id.
-- ARGV: the ttl in milliseconds; the highest number that the caller saw; then for each event its fingerprint (16
-- bytes), its time of receipt, the event.
-- Answers -1 if Redis has to be confirmed first; else the last number given, then two numbers an event: 0 accepted, 1
-- duplicate, 2 conflict; when the event of that id was received first.
local log = KEYS[1]
local last = last_number(log, KEYS[2], tonumber(ARGV[2]))
if not last then
  return -1
end

local answer = { 0 }
for n = 3, #KEYS do
  local at = 3 * (n - 3) + 3
  local fingerprint, received, event = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local known = redis.call('GET', KEYS[n])
  if known then
    answer[#answer + 1] = string.sub(known, 1, 16) == fingerprint and 1 or 2
    answer[#answer + 1] = tonumber(string.sub(known, 17))
  else
    last = last + 1
    redis.call('XADD', log, string.format('%.0f-0', last), 'at', received, 'event', event)
    redis.call('SET', KEYS[n], fingerprint .. received, 'PX', ARGV[1])
    answer[#answer + 1] = 0
    answer[#answer + 1] = tonumber(received)
  end
end
answer[1] = last
return answer
