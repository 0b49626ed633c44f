-- What a channel got after an offset, and the proof that nothing is missing between. After history_standing.lua,
-- which gives floor, next and safe.
--
-- KEYS  state, stream
-- ARGV  after (offset, or '' for the oldest that is left), limit (entries), max_bytes, safe (field of the state), patience_ms
--
-- {'page', next, is_whole, entries as one MessagePack array, older} or {reason} where there is no proof
-- older: what became of what came before: 'trimmed' (by count), 'expired' (by age, or from before this history), 'none';
-- said of the oldest only
local least = math.max(tonumber(floor), tonumber(safe))
local from, older = least, least == 0 and 'none' or 'expired'
if ARGV[1] ~= '' then
  from = tonumber(ARGV[1]) + 1
  if from < tonumber(floor) then
    return {'young'}
  end
  if from < tonumber(safe) then
    return {'expired'}
  end
end

local limit, bytes_left, stop = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(next)
local packed, count, last, is_whole = {}, 0, nil, 1
local start = string.format('%.0f-0', from)
while is_whole == 1 do
  local entries = redis.call('XRANGE', KEYS[2], start, '+', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local offset = string.match(entry[1], '^%d+')
    if not last and tonumber(entry[2][4]) >= from then
      if ARGV[1] ~= '' then
        return {'trimmed'}
      end
      older = 'trimmed'
    end
    if tonumber(offset) >= stop then
      entries = {}
      break
    end
    if count == limit or bytes_left <= 0 then
      is_whole = 0
      break
    end
    count = count + 1
    packed[count] = entry[2][2]
    bytes_left = bytes_left - #entry[2][2]
    last = offset
  end
  if #entries < 16 then
    break
  end
  start = string.format('%.0f-0', tonumber(last) + 1)
end
if is_whole == 0 then
  next = string.format('%.0f', tonumber(last) + 1)
end
local head = string.char(220, math.floor(count / 256), count % 256)
return {'page', next, is_whole, head .. table.concat(packed), older}
