-- The newest of a channel before an offset, newest first, and what became of the older ones. After history_standing.lua,
-- which gives floor, next and safe.
--
-- KEYS  state, stream
-- ARGV  before (offset, or '' for the end), limit (entries), max_bytes, safe (field of the state), patience_ms
--
-- {'page', next, older, entries as one MessagePack array} or {reason} where there is no proof
-- older: 'more', 'trimmed' (by count), 'expired' (by age, or from before this history), 'none' (there never were any)
local least = math.max(tonumber(floor), tonumber(safe))
local before = tonumber(next)
if ARGV[1] ~= '' then
  before = math.min(before, tonumber(ARGV[1]))
end
local limit, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local packed, count, older = {}, 0, nil
local previous -- offset of the channel's entry before the last one seen; false while unknown
local stop = string.format('%.0f-0', before)
while before > least and not older do
  local entries = redis.call('XREVRANGE', KEYS[2], stop, '-', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local offset = string.match(entry[1], '^%d+')
    if tonumber(offset) < least then
      entries = {}
      previous = -1
      break
    end
    if count == limit or bytes_left <= 0 then
      older = 'more'
      break
    end
    count = count + 1
    packed[count] = entry[2][2]
    bytes_left = bytes_left - #entry[2][2]
    previous = tonumber(entry[2][4])
    stop = string.format('%.0f-0', tonumber(offset))
  end
  if #entries < 16 then
    break
  end
end
if not previous and before > least then
  -- nothing before it is left: the entry after it, if there is one, tells whether there was
  local entries = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', before), '+', 'COUNT', 1)
  previous = entries[1] and tonumber(entries[1][2][4])
end
if not older then
  if previous and previous >= least then
    older = 'trimmed'
  else
    older = least == 0 and 'none' or 'expired'
  end
end
local head = string.char(220, math.floor(count / 256), count % 256)
return {'page', next, older, head .. table.concat(packed)}
