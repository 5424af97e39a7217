-- Replaces states of items, each only if its version is still the one that the caller worked from.
-- KEYS: the states; the changes; their epoch.
-- ARGV: most items that have a state; how many changes are kept; the highest version that the caller saw; then for each
-- item its id, the version that the new state was computed from (0: none), and the new state. No id is there twice.
-- Answers -1 if Redis has to be confirmed first; else for each item: its new version as an integer; the state that is
-- there instead, as a string; or -1 if too many other items have one.
local states, changes = KEYS[1], KEYS[2]
local most, kept = tonumber(ARGV[1]), ARGV[2]
local last = last_number(changes, KEYS[3], tonumber(ARGV[3]))
if not last then
  return -1
end

local answer = {}
for n = 4, #ARGV, 3 do
  local id, version, state = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local known = redis.call('HGET', states, id)
  if (known and string.match(known, '^%d+') or '0') ~= version then
    answer[#answer + 1] = known or ''
  elseif not known and redis.call('HLEN', states) >= most then
    answer[#answer + 1] = -1
  else
    last = last + 1
    local value = string.format('%.0f', last) .. ' ' .. state
    redis.call('HSET', states, id, value)
    redis.call('XADD', changes, 'MAXLEN', '~', kept, string.format('%.0f-0', last), 'id', id, 'state', value)
    answer[#answer + 1] = last
  end
end
return answer
