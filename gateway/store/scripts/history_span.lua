-- Between which offsets a history has everything, of channels that are kept as long as this one. After history_standing.lua,
-- which gives floor, next and safe.
--
-- KEYS  state, stream (not read)
-- ARGV  (not read), (not read), (not read), safe (field of the state), patience_ms
--
-- {'page', next, least} or {reason} where there is no proof
return {'page', next, string.format('%.0f', math.max(tonumber(floor), tonumber(safe)))}
