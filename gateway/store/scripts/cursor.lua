-- Look positions up and own them, or keep positions that are owned; a bit of both if need be. Of one cursor or of several.
--
-- KEYS  for each cursor: index, who, swept, channels (see gateway/store/cursors.py)
-- ARGV  owner, ttl_ms, cursors a client may have, channels a cursor may have;
--       for each cursor: its name, who, how many channels, and for each of these: channel,
--       serial to keep, or '?' to look its position up, and behind that the serial at which it begins if there is none
--
-- One answer a channel: looked up: serial, '' for none, '~' and the serial for one that only begins there, or 'cursors' or
-- 'channels' where there is no room; kept: 'kept', 'old', 'foreign', or where there is no room as above
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, ttl, max_cursors, max_channels = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slack = math.ceil(ttl / 64) -- by so much keys outlive what is promised; they are given time once in each span of it
local ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

-- The next offset of every partition, of a position over all of them (gateway/core/serial.py).
local function next_offsets(packed)
  local offsets, bits, count, offset, scale = {}, 0, 0, 0, 1
  for letter in string.gmatch(packed, '.') do
    bits, count = bits * 64 + (string.find(ALPHABET, letter, 1, true) or 1) - 1, count + 6
    if count >= 8 then
      count = count - 8
      local byte = math.floor(bits / 2 ^ count)
      bits, offset = bits % 2 ^ count, offset + byte % 128 * scale
      if byte >= 128 then
        scale = scale * 128
      else
        offsets[#offsets + 1], offset, scale = offset, 0, 1
      end
    end
  end
  return offsets
end

-- Whether somebody at `serial` lacks something that somebody at `kept` has. Lives of a topic have no order.
local function is_before(serial, kept)
  local life, kind, place = string.match(serial, '^(%w+)%-([^-]+)%-(.*)$')
  local kept_life, kept_kind, kept_place = string.match(kept, '^(%w+)%-([^-]+)%-(.*)$')
  if not life or life ~= kept_life then
    return false
  elseif kind ~= 'v' and kept_kind ~= 'v' then
    return kind == kept_kind and tonumber(place) < tonumber(kept_place)
  elseif kept_kind ~= 'v' then
    return (next_offsets(place)[kept_kind + 1] or 0) <= tonumber(kept_place)
  elseif kind ~= 'v' then
    return tonumber(place) + 1 < (next_offsets(kept_place)[kind + 1] or 0)
  end
  local ours = next_offsets(place)
  for partition, theirs in ipairs(next_offsets(kept_place)) do
    if (ours[partition] or 0) < theirs then
      return true
    end
  end
  return false
end

-- When it was written, by whom, and what; nothing if that was too long ago.
local function read(value)
  local at, by, serial = string.match(value or '', '^(%d+) (%S*) (.*)$')
  if at and now - at <= ttl then
    return { at = tonumber(at), by = by, serial = serial }
  end
end

-- Forget what is too old, once a minute at most: who is refused may ask again and again.
local function sweep(swept, channels)
  if redis.call('SET', swept, '', 'NX', 'PX', 60000) then
    local all = redis.call('HGETALL', channels)
    for at = 1, #all, 2 do
      if not read(all[at + 1]) then
        redis.call('HDEL', channels, all[at])
      end
    end
  end
end

-- What keeps a cursor from having one more channel: 'cursors', 'channels' or nothing.
local function refusal(index, swept, channels, cursor, added)
  if not redis.call('ZSCORE', index, cursor) then
    redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('(%.0f', now - ttl - slack))
    if redis.call('ZCARD', index) >= max_cursors then
      return 'cursors'
    end
  end
  if redis.call('HLEN', channels) + added >= max_channels then
    sweep(swept, channels)
    if redis.call('HLEN', channels) + added >= max_channels then
      return 'channels'
    end
  end
end

-- What becomes of a position. Returns: the answer, and what is kept from now on if anything is to be written.
local function step(found, wish)
  local begin = string.match(wish, '^%?(.*)$')
  if begin then
    if found and found.serial ~= '' then
      return found.serial, found.serial
    end
    return '', begin == '' and '' or '~' .. begin
  elseif found and found.by ~= owner then
    return 'foreign'
  end
  local kept = found and found.serial or ''
  local position = string.gsub(kept, '^~', '')
  if position ~= '' and is_before(wish, position) then
    return 'old', kept -- the device may not have heard yet that it begins there
  end
  return 'kept', wish
end

local answers = {}
local function serve(index, who_key, swept, channels, cursor, who, first, count)
  local names = {}
  for nth = 1, count do
    names[nth] = ARGV[first + 2 * nth - 2]
  end
  local values, known, changes = redis.call('HMGET', channels, unpack(names)), {}, {}
  local must_renew, added = false, 0
  for nth, channel in ipairs(names) do
    if not known[channel] then
      known[channel] = { value = values[nth], found = read(values[nth]) }
    end
  end
  for nth, channel in ipairs(names) do
    local place = known[channel]
    local refused = not place.value and refusal(index, swept, channels, cursor, added)
    if refused then
      answers[#answers + 1] = refused
    else
      local answer, kept = step(place.found, ARGV[first + 2 * nth - 1])
      if kept then
        local found = place.found
        must_renew = must_renew or not found or math.floor(found.at / slack) ~= math.floor(now / slack)
        added = added + (place.value and 0 or 1)
        place.value, place.found = true, { at = now, by = owner, serial = kept }
        changes[#changes + 1] = channel
        changes[#changes + 1] = string.format('%.0f %s %s', now, owner, kept)
      end
      answers[#answers + 1] = answer
    end
  end
  if #changes > 0 then
    redis.call('HSET', channels, unpack(changes))
  end
  if must_renew then
    redis.call('ZADD', index, now, cursor)
    redis.call('PEXPIRE', index, ttl + slack)
    redis.call('SET', who_key, who, 'PX', string.format('%.0f', ttl + slack))
    redis.call('PEXPIRE', channels, ttl + slack)
  end
end

local at = 5
for nth = 1, #KEYS, 4 do
  local count = tonumber(ARGV[at + 2])
  serve(KEYS[nth], KEYS[nth + 1], KEYS[nth + 2], KEYS[nth + 3], ARGV[at], ARGV[at + 1], at + 3, count)
  at = at + 3 + 2 * count
end
return answers
