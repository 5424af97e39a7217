#!lua
-- Helpers of every script that numbers entries of a stream.
--
-- Redis may come back older than it was: from a snapshot, by a failover to a lagging replica, empty. Numbers that were
-- given since then must not be given again. So each incarnation of Redis (a process, told by its run id) has to be
-- confirmed before it numbers anything, and a confirmation jumps above every number that can have been given: above
-- the clock's seconds times 2^20, which no shop reaches by counting, and above all that the caller ever saw.

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
end

-- The last number that the stream gave, as far as Redis knows.
local function last_of(stream)
  if redis.call('EXISTS', stream) == 0 then
    return 0
  end
  local info = redis.call('XINFO', 'STREAM', stream)
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then
      return tonumber(string.match(info[n + 1], '^%d+'))
    end
  end
  return 0
end

-- The last number given; nil if this incarnation is not confirmed, or older than the caller, who saw `floor`.
local function last_number(stream, epoch, floor)
  local known = redis.call('HMGET', epoch, 'run', 'base')
  if known[1] ~= run_id() then
    return nil
  end
  local last = math.max(last_of(stream), tonumber(known[2]))
  if last < floor then
    return nil
  end
  return last
end
