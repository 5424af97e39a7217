-- Writes a revision of a document if its meta is unchanged.
-- KEYS: the metas of the kind; the records of the kind; the deleted documents of the kind; the changes; their epoch.
-- ARGV: the highest revision that the caller saw; most documents of a kind; how many changes are kept; kind; name; the
-- meta that the caller read (empty: none); 1 if the document was deleted; 1 if it is deleted now; the new meta; the
-- record; then each revision that is dropped from the history.
-- Answers -1 if Redis has to be confirmed first; -2 if there are too many documents; a string, the meta that is there,
-- if it changed; else the new revision.
local metas, records, deleted, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local most, kept = tonumber(ARGV[2]), ARGV[3]
local kind, name, read = ARGV[4], ARGV[5], ARGV[6]
local was_deleted, is_deleted = ARGV[7] == '1', ARGV[8] == '1'
local last = last_number(changes, KEYS[5], tonumber(ARGV[1]))
if not last then
  return -1
end
local known = redis.call('HGET', metas, name) or ''
if known ~= read then
  return known
end
local is_new = known == '' or was_deleted
if is_new and redis.call('HLEN', metas) - redis.call('ZCARD', deleted) >= most then
  return -2
end

local revision = string.format('%.0f', last + 1)
local function drop(document, number)
  redis.call('HDEL', records, document .. '\0' .. number)
end
for n = 11, #ARGV do
  drop(name, ARGV[n])
end
redis.call('HSET', metas, name, revision .. ' ' .. ARGV[9])
redis.call('HSET', records, name .. '\0' .. revision, ARGV[10])
if was_deleted then
  redis.call('ZREM', deleted, name)
end
if is_deleted then
  redis.call('ZADD', deleted, revision, name)
  -- The document that was deleted first is forgotten, with its history.
  if redis.call('ZCARD', deleted) > most then
    local oldest = redis.call('ZPOPMIN', deleted)[1]
    local current, meta = string.match(redis.call('HGET', metas, oldest) or '', '^(%d+) (.*)$')
    if current then
      drop(oldest, current)
      for _, entry in ipairs(cjson.decode(meta).history) do
        drop(oldest, string.format('%.0f', entry[1]))
      end
    end
    redis.call('HDEL', metas, oldest)
  end
end
redis.call('XADD', changes, 'MAXLEN', '~', kept, revision .. '-0', 'kind', kind, 'name', name)
return tonumber(revision)
