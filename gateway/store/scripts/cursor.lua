-- Look positions of one cursor up and own them, or keep positions that are owned; a bit of both if need be.
--
-- KEYS  index, who, swept, channels (see gateway/store/cursors.py)
-- ARGV  cursor, owner, who, ttl_ms, cursors a client may have, channels a cursor may have,
--       channel, serial … ('' to look its position up)
--
-- One answer a channel: looked up: serial, '' for none, or 'cursors' or 'channels' where there is no room; kept: 'kept',
-- 'old', 'foreign', or where there is no room as above
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl, max_channels = tonumber(ARGV[4]), tonumber(ARGV[6])
local slack = math.ceil(ttl / 64) -- by so much keys outlive what is promised, and are given time anew only so often
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

-- Who wrote it, and what; nothing if that was too long ago.
local function read(value)
  local at, owner, serial = string.match(value or '', '^(%d+) (%S*) (.*)$')
  if at and now - at <= ttl then
    return owner, serial
  end
end

-- Forget what is too old, once a minute at most: who is refused may ask again and again.
local function sweep()
  if redis.call('SET', KEYS[3], '', 'NX', 'PX', 60000) then
    local all = redis.call('HGETALL', KEYS[4])
    for at = 1, #all, 2 do
      if not read(all[at + 1]) then
        redis.call('HDEL', KEYS[4], all[at])
      end
    end
  end
end

local renewed_at = redis.call('ZSCORE', KEYS[1], ARGV[1])
local must_renew = not renewed_at or now - renewed_at >= slack

local refused, written
if not renewed_at then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ttl - slack))
  refused = redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) and 'cursors'
end

local function room_for(value)
  if not refused and not value and redis.call('HLEN', KEYS[4]) >= max_channels then
    sweep()
    must_renew = true
    return redis.call('HLEN', KEYS[4]) < max_channels or 'channels'
  end
  return refused or true
end

local function write(channel, serial)
  redis.call('HSET', KEYS[4], channel, string.format('%.0f %s %s', now, ARGV[2], serial))
  written = true
end

local answers = {}
for at = 7, #ARGV, 2 do
  local channel, serial = ARGV[at], ARGV[at + 1]
  local value = redis.call('HGET', KEYS[4], channel)
  local owner, kept = read(value)
  local room = room_for(value)
  local answer
  if room ~= true then
    answer = room
  elseif serial == '' then
    answer = kept or ''
    write(channel, answer)
  elseif owner and owner ~= ARGV[2] then
    answer = 'foreign'
  elseif kept and kept ~= '' and is_before(serial, kept) then
    answer = 'old'
    write(channel, kept)
  else
    answer = 'kept'
    write(channel, serial)
  end
  answers[#answers + 1] = answer
end
if written and must_renew then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ttl + slack)
  redis.call('SET', KEYS[2], ARGV[3], 'PX', string.format('%.0f', ttl + slack))
  redis.call('PEXPIRE', KEYS[4], ttl + slack)
end
return answers
