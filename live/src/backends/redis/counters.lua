#!lua
-- All that changes counters, each call at once: no other call sees it half done.
-- KEYS: the common beginning of all keys, which share a slot.
-- ARGV: the operation; now, unix milliseconds; how many movements a counter keeps; for how many milliseconds a finished
-- reservation is remembered; then by operation:
--   define  counter, stock, limit of a holder (empty: none)
--   reserve key, holder, fingerprint, deadline, lines as JSON: [[counter, pieces], ...]
--   finish  key, confirmed or released
--   expire  how many at most
local base, operation, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local due = base .. ':due'

local function counter_of(name) return base .. ':counter:' .. name end
local function owners_of(name) return base .. ':owners:' .. name end
local function reservation_of(key) return base .. ':reservation:' .. key end
local function digits(number) return string.format('%.0f', number) end

local function note(name, kind, key, pieces)
  redis.call('XADD', base .. ':movements:' .. name, 'MAXLEN', '~', ARGV[3], '*',
    'at', ARGV[2], 'kind', kind, 'key', key, 'pieces', pieces)
end

-- Ends a held reservation in `state`; the state that it has afterwards, or false.
local function finish(key, state)
  local reservation = reservation_of(key)
  local known = redis.call('HMGET', reservation, 'state', 'holder', 'lines')
  if not known[1] or known[1] ~= 'held' then
    return known[1]
  end
  for _, line in ipairs(cjson.decode(known[3])) do
    local name, pieces = line[1], digits(line[2])
    redis.call('HINCRBY', counter_of(name), 'held', '-' .. pieces)
    if state == 'confirmed' then
      redis.call('HINCRBY', counter_of(name), 'confirmed', pieces)
    elseif redis.call('HINCRBY', owners_of(name), known[2], '-' .. pieces) <= 0 then
      redis.call('HDEL', owners_of(name), known[2])
    end
    note(name, state, key, pieces)
  end
  redis.call('HSET', reservation, 'state', state)
  redis.call('ZREM', due, key)
  redis.call('PEXPIRE', reservation, ARGV[4])
  return state
end

local function expire(most)
  local keys = redis.call('ZRANGE', due, '-inf', ARGV[2], 'BYSCORE', 'LIMIT', 0, most)
  for _, key in ipairs(keys) do
    finish(key, 'expired')
  end
  return #keys
end

if operation == 'expire' then
  return expire(tonumber(ARGV[5]))
end
-- What is over is free for everybody who asks from now on.
repeat until expire(1000) < 1000

if operation == 'define' then
  local name, stock, limit = ARGV[5], tonumber(ARGV[6]), ARGV[7]
  local known = redis.call('HMGET', counter_of(name), 'held', 'confirmed')
  local held, confirmed = tonumber(known[1] or '0'), tonumber(known[2] or '0')
  if stock < held + confirmed then
    return { 'below', digits(held + confirmed) }
  end
  redis.call('HSET', counter_of(name), 'stock', ARGV[6], 'limit', limit, 'held', digits(held), 'confirmed',
    digits(confirmed))
  note(name, 'defined', '', ARGV[6])
  return { 'defined', ARGV[6], limit, digits(held), digits(confirmed) }
end

if operation == 'finish' then
  return { finish(ARGV[5], ARGV[6]) or 'unknown' }
end

local key, holder, fingerprint, deadline = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local reservation = reservation_of(key)
local known = redis.call('HMGET', reservation, 'fingerprint', 'state', 'until')
if known[1] then
  if known[1] ~= fingerprint then
    return { 'conflict' }
  end
  return { 'reserved', known[2], known[3], '1' }
end
-- All lines are checked before any is written.
local lines = cjson.decode(ARGV[9])
for _, line in ipairs(lines) do
  local name, pieces = line[1], line[2]
  local counter = redis.call('HMGET', counter_of(name), 'stock', 'held', 'confirmed', 'limit')
  if not counter[1] then
    return { 'unknown', name }
  end
  local available = math.max(0, tonumber(counter[1]) - tonumber(counter[2]) - tonumber(counter[3]))
  if pieces > available then
    return { 'sold_out', name, digits(available) }
  end
  local owned = tonumber(redis.call('HGET', owners_of(name), holder) or '0')
  local limit = tonumber(counter[4] or '')
  if limit and owned + pieces > limit then
    return { 'over_limit', name, digits(math.max(0, limit - owned)) }
  end
end
for _, line in ipairs(lines) do
  local name, pieces = line[1], digits(line[2])
  redis.call('HINCRBY', counter_of(name), 'held', pieces)
  redis.call('HINCRBY', owners_of(name), holder, pieces)
  note(name, 'reserved', key, pieces)
end
redis.call('HSET', reservation, 'fingerprint', fingerprint, 'state', 'held', 'until', deadline, 'holder', holder,
  'lines', ARGV[9])
redis.call('ZADD', due, deadline, key)
return { 'reserved', 'held', deadline, '0' }
