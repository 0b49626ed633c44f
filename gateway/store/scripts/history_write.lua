-- One step of the one who writes a history: the messages between two offsets, and how far it goes now.
--
-- Also without messages: to keep the lease, and the books of what may be gone by age.
--
-- KEYS  state, lease, marks, stream…
-- ARGV  token, from, next, lease_ms, mark_ms, slack_ms,
--       times: "time_ms …", ascending
--       streams: for each "number of its time (from 1), messages to keep"
--       messages: for each, by offset, "number of its stream (from 1), offset, length"
--       and all packed messages behind each other: one argument costs the client as much as a message
--
-- {'written', next} · {'fenced'}: the lease is somebody else's · {'missing'}: there is no history ·
-- {'elsewhere', next}: it goes on at another offset. Of these, only the first has changed anything.
--
-- The books. A mark "at:next" says: all below next was written at or before at. It is made at the first step that is
-- mark_ms after the mark before it, about the time until the step before, so that a pause of the writer makes nothing look
-- younger than it is. So an entry that was written at w is covered by a mark of less than w + mark_ms, or it is younger
-- than mark_ms. safe is the next of the last mark that is older than time_ms. What is not below safe was then written less
-- than time_ms + mark_ms before the last step; and while that is at most half the slack ago (readers look), no stream that
-- was written to then has expired. All by one clock, that of Redis, which is also the one that expires streams.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'fenced'}
end
local function words(text)
  local found = {}
  for word in string.gmatch(text, '%d+') do
    found[#found + 1] = word
  end
  return found
end
local times, streams, messages, packed = words(ARGV[7]), words(ARGV[8]), words(ARGV[9]), ARGV[10]
local fields = {'next', 'at', 'marked'}
for number, time_ms in ipairs(times) do
  fields[3 + number] = 'safe:' .. time_ms
end
local state = redis.call('HMGET', KEYS[1], unpack(fields))
local from, at, marked = state[1], state[2], state[3]
if not from then
  return {'missing'}
end
if from ~= ARGV[2] then
  return {'elsewhere', from}
end

-- Messages first: a full Redis refuses the first thing that grows, and then nothing has changed.
local previous = {}
local start = 1
for word = 1, #messages, 3 do
  local stream, offset, length = tonumber(messages[word]), messages[word + 1], tonumber(messages[word + 2])
  local key = KEYS[3 + stream]
  if not previous[stream] then
    local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
    if newest[1] then
      previous[stream] = string.match(newest[1][1], '^%d+')
    else
      previous[stream] = '-1'
      if redis.call('EXISTS', key) == 1 then
        redis.call('DEL', key) -- an emptied stream would still refuse offsets that it once had
      end
    end
  end
  if tonumber(offset) > tonumber(previous[stream]) then
    local id, message = offset .. '-1', string.sub(packed, start, start + length - 1)
    redis.call('XADD', key, 'MAXLEN', '=', streams[2 * stream], id, 'm', message, 'p', previous[stream])
    previous[stream] = offset
  end
  start = start + length
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'next', ARGV[3], 'at', string.format('%.0f', now))
if math.abs(now - tonumber(marked)) >= tonumber(ARGV[5]) then
  redis.call('RPUSH', KEYS[3], at .. ':' .. from)
  redis.call('HSET', KEYS[1], 'marked', string.format('%.0f', now))
  local out_of_date = 0
  for place, mark in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
    local mark_at, mark_next = string.match(mark, '^(%d+):(%d+)$')
    for number, time_ms in ipairs(times) do
      if now - tonumber(mark_at) >= tonumber(time_ms) then
        if tonumber(mark_next) > tonumber(state[3 + number]) then
          state[3 + number] = mark_next
          redis.call('HSET', KEYS[1], fields[3 + number], mark_next)
        end
        if number == #times then
          out_of_date = place
        end
      end
    end
  end
  redis.call('LTRIM', KEYS[3], out_of_date, -1)
end

local slack_ms, longest_ms = tonumber(ARGV[6]), tonumber(times[#times])
for stream in pairs(previous) do
  local key, number = KEYS[3 + stream], tonumber(streams[2 * stream - 1])
  redis.call('XTRIM', key, 'MINID', '=', state[3 + number] .. '-0')
  redis.call('PEXPIRE', key, times[number] + slack_ms)
end
redis.call('PEXPIRE', KEYS[1], longest_ms + 2 * slack_ms)
redis.call('PEXPIRE', KEYS[3], longest_ms + 2 * slack_ms)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return {'written', ARGV[3]}
