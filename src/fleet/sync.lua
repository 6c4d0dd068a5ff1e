-- Copyright (c) 2026 The turnstile authors
-- Distributed under the Boost Software License, Version 1.0 (see LICENSE)

-- The server's half of a semaphore that many processes use, for Redis 6.0 and newer, and Valkey. It repeats sync() of
-- server.cpp: what both do stands in the same order, and is explained there.
--
-- KEYS[1]  turnstile:{NAME}
-- ARGV     id serial epoch version lease slice limit set_limit lost held debt in_use keep
--          want need leave
--          The fields of `request`, in its order. `id` is of lower-case hexadecimal digits, the others are decimal
--          numbers, 0 or 1 for `lost` and `leave`.
--
-- The reply is an array of integers, with `status` as in the enumeration:
--          serial status learning_left epoch version share recall debt idle_wanted token limit lease slice
-- Another member's news are published to its channel, turnstile:{NAME}:news:<id>, as decimal numbers with blanks:
--          epoch version share recall debt idle_wanted token limit lease slice
-- An error reply that begins with TURNSTILE says that the key holds something else, or was written by another version
-- of this script.
--
-- The key is one hash without a time to live, so that it is lost as a whole or not at all. The field `state` has the
-- numbers of `state`, and each member's id those of its `session`, in the order in which they are packed, as
-- doubles: to read numbers from text would take fifteen times as long. When the last member has left, only the field
-- `state` remains.
--
-- Lua creates the functions of a script anew at each call. So a function of server.cpp that is called at one place is
-- not a function here: its statements follow a comment with its name. The functions that divide the limit are created,
-- and the other members' sessions read, only if a request needs them.

local VERSION = 2  -- of the reply, and of what is stored; from 1 to 255
local key, a = KEYS[1], ARGV

-- The request. Adding 0 makes a number of a text, in half of the time that tonumber() takes.
local id, serial, epoch, version, lease, slice, limit, set_limit =
  a[1], a[2] + 0, a[3] + 0, a[4] + 0, a[5] + 0, a[6] + 0, a[7] + 0, a[8] + 0
local lost, held, debt, in_use, keep, want, need, leave =
  a[9] == '1', a[10] + 0, a[11] + 0, a[12] + 0, a[13] + 0, a[14] + 0, a[15] + 0, a[16] == '1'

local OK, CLAIMED, LATE, NO_LIMIT = 0, 1, 2, 3

-- ---- C++'s library --------------------------------------------------------------------------------

local floor, max, min = math.floor, math.max, math.min
local function clamp(x, low, high) return max(low, min(x, high)) end

-- ---- Format --------------------------------------------------------------------------------------

-- Two numbers are kept beside those of server.hpp, so that most requests need no other session than the member's own:
--
--   soonest_end  no lease ends before
--   is_calm      1 if all members were calm after the last request that looked at all, see is_calm()

-- A byte for the version, doubles with the lowest byte first, and a text.
local STATE, SESSION = '<Bddddddddddddds', '<ddddddddddddd'

local function pack_session(m)
  return struct.pack(SESSION, m.ends, m.serial, m.epoch, m.version, m.token, m.share, m.recall, m.debt, m.in_use,
    m.want, m.need, m.turn, m.turn_end)
end

local function unpack_session(text)
  local ends, serial, epoch, version, token, share, recall, debt, in_use, want, need, turn, turn_end =
    struct.unpack(SESSION, text)
  return {
    ends = ends, serial = serial, epoch = epoch, version = version, token = token, share = share, recall = recall,
    debt = debt, in_use = in_use, want = want, need = need, turn = turn, turn_end = turn_end,
    stored_version = version, stored_debt = debt
  }
end

-- ---- What is stored ------------------------------------------------------------------------------

if not id:find('^[0-9a-f]+$') then return redis.error_reply('ERR the id must be of lower-case hexadecimal digits') end

local stored = redis.pcall('HMGET', key, 'state', id)
if stored.err and not stored.err:find('WRONGTYPE') then return stored end
if stored.err or not stored[1] and redis.call('EXISTS', key) == 1 then
  return redis.error_reply('TURNSTILE the key holds something else than a semaphore')
end
local s
if not stored[1] then
  s = {
    limit = 0, lease = 0, slice = 0, used = 0, now = 0, wall = 0, learning_until = 0, version = 0, epoch = 0,
    turns = 0, idle_wanted = 0, soonest_end = 0, is_calm = 0, run_id = ''
  }
elseif stored[1]:byte() ~= VERSION then
  return redis.error_reply('TURNSTILE the key was written by another version of this script, or by another program')
else
  local _, limit, lease, slice, used, now, wall, learning_until, version, epoch, turns, idle_wanted, soonest_end,
    is_calm, run_id = struct.unpack(STATE, stored[1])
  s = {
    limit = limit, lease = lease, slice = slice, used = used, now = now, wall = wall, learning_until = learning_until,
    version = version, epoch = epoch, turns = turns, idle_wanted = idle_wanted, soonest_end = soonest_end,
    is_calm = is_calm, run_id = run_id
  }
end
local m = stored[2] and unpack_session(stored[2])  -- the session of the member, if it has one
local sessions  -- all of them, by their ids, once they have been read
local gone = {}  -- the ids of those that have ended since

local function load_all()
  if sessions then return end
  sessions = { [id] = m or nil }
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local other = fields[i]
    if other ~= 'state' and other ~= id then sessions[other] = unpack_session(fields[i + 1]) end
  end
end

-- ---- The server's facts ---------------------------------------------------------------------------

-- The run id changes with each start of the server, and is another one on a replica. If there is none, as behind some
-- proxies, the server is taken for one that has just been started, once.
local info, time = redis.call('INFO', 'server'), redis.call('TIME')
local _, last = info:find('run_id:', 1, true)  -- a pattern would take ten times as long to get there
local run_id = last and info:match('^%w+', last + 1) or 'unknown'
local wall = time[1] * 1000000 + time[2]

-- ---- sync() of server.cpp -------------------------------------------------------------------------

local function excess() return max(0, s.used - s.limit) end
local function set_share(m, share)
  s.used = s.used + share - m.share
  m.share = share
end
local function next_version()
  s.version = s.version + 1
  return s.version
end

if s.limit == 0 and limit == 0 and set_limit == 0 then
  return { serial, NO_LIMIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
end
if leave or not m then load_all() end

-- move_time()
s.now = s.now + clamp(wall - s.wall, 0, floor(s.lease / 3))
s.wall = wall

-- end_leases()
if s.now >= s.soonest_end then
  load_all()
  for other, x in pairs(sessions) do
    if x.ends <= s.now then
      s.used = s.used - x.share
      sessions[other] = nil
      gone[#gone + 1] = other
    end
  end
  m = sessions[id]
end

if sessions and next(sessions) == nil then
  s.lease = lease
  s.slice = slice
end

-- begin_learning_if_needed()
local is_other_server = s.run_id ~= run_id
local may_have_lost = is_other_server
if s.run_id == '' then
  local age = (info:match('uptime_in_seconds:(-?%d+)') or 0) * 1000000
  may_have_lost = version > 0 or age < floor(s.lease / 3) * 2
end
if may_have_lost then s.learning_until = s.now + s.lease end
s.version = max(s.version, version)
if is_other_server then
  s.version = max(s.version + 1, wall)
  s.epoch = s.version
  s.run_id = run_id
end
local is_learning = s.now < s.learning_until

local status = OK
local left_version  -- of the reply to a member that leaves
if m and serial <= m.serial then
  status = LATE
else
  if set_limit > 0 then
    s.limit = set_limit
  elseif s.limit == 0 then
    s.limit = limit
  end
  if leave then
    if m then
      set_share(m, 0)
      sessions[id] = nil
      gone[#gone + 1] = id
    end
    left_version = s.version
  else
    if not m then
      m = {
        ends = 0, serial = 0, epoch = 0, version = 0, token = 0, share = 0, recall = 0, debt = 0,
        in_use = 0, want = 0, need = 0, turn = 0, turn_end = 0
      }
      sessions[id] = m
    end

    -- take_report(), up to claim()
    if m.version == 0 then m.version = next_version() end

    -- claim()
    local known = m.share
    if lost then
      local is_restored = m.epoch ~= s.epoch and m.ends - s.now > floor(s.lease / 3)
      if epoch ~= s.epoch and not is_restored then known = 0 end
      held = max(in_use, min(held, known))
      keep = min(keep, held)
    end
    if held > m.share then
      set_share(m, held)
      m.version = next_version()
      m.token = m.version
      status = CLAIMED
    end
    local claimed = max(0, held - known)
    if not is_learning then
      m.debt = m.debt + min(claimed, excess())
    else
      m.debt = max(m.debt, debt, lost and claimed or 0)
    end

    -- give_back()
    local unheard = epoch == s.epoch and m.share - held or 0
    if m.share ~= keep + unheard then m.version = next_version() end
    set_share(m, keep + unheard)
    m.debt = clamp(m.debt - (held - keep), 0, m.share)

    -- the rest of take_report()
    if m.epoch ~= s.epoch and m.share > 0 and status ~= CLAIMED then
      m.version = next_version()
      m.token = m.version
    end
    m.serial = serial
    m.epoch = s.epoch
    m.ends = s.now + s.lease
    m.in_use = in_use
    m.want = want
    m.need = 0
    if need <= s.limit then m.need = need end
    if m.need <= m.share then
      m.turn = 0
    elseif m.turn == 0 then
      s.turns = s.turns + 1
      m.turn = s.turns
    end
  end
end

-- ---- Shares

local function is_calm(m, free)
  return m.want <= m.share + free and m.need == 0 and m.recall == 0 and m.debt == 0
end

-- Whether the request is answered without the other members' sessions. If not, the limit has to be divided. If all
-- members are calm and the shares are within the limit, there is nothing to divide: no demand is above a share, so no
-- target is, and nothing is granted or missing. A calm member waits for no turn, since it has no need.
-- If only this member wants more, and that much is free, all demands are met, and no other share changes. This does not
-- hold before `turn_end`: until then, the division may give the member less than it wants.
local is_served = status == LATE
if not is_served and not sessions and s.is_calm == 1 and s.used <= s.limit then
  local may_grow = not is_learning and m.turn_end <= s.now
  is_served = is_calm(m, may_grow and s.limit - s.used or 0)
  if is_served and m.want > m.share then
    set_share(m, m.want)
    m.version = next_version()
    m.token = m.version
  end
end

local changed = {}  -- the rows of the members whose news have changed
if not is_served then
  -- table.sort is not stable. What is in order already, as it mostly is here, costs one comparison for each element.
  local function stable_sort(list, less, first, last)
    if first >= last then return end
    local middle = floor((first + last) / 2)
    stable_sort(list, less, first, middle)
    stable_sort(list, less, middle + 1, last)
    if not less(list[middle + 1], list[middle]) then return end
    local left = {}
    for i = first, middle do left[i] = list[i] end
    local i, j = first, middle + 1
    for k = first, last do
      if i > middle then break end
      if j > last or not less(list[j], left[i]) then
        list[k], i = left[i], i + 1
      else
        list[k], j = list[j], j + 1
      end
    end
  end

  -- table.sort has the order of the server's locale, which for lower-case hexadecimal digits is that of the bytes.
  local function make_rows()
    local ids, rows = {}, {}
    for other in pairs(sessions) do ids[#ids + 1] = other end
    table.sort(ids)
    for i, other in ipairs(ids) do
      local m = sessions[other]
      local is_silent = m.ends - s.now < s.lease - floor(s.lease / 4)
      rows[i] = {
        id = other,
        m = m,
        demand = min(m.want, is_silent and m.share or s.limit),
        target = 0,
        has_turn = not is_silent and (m.turn > 0 or m.turn_end > s.now),
        share = m.share,
        recall = m.recall
      }
    end
    stable_sort(rows, function(a, b)
      if a.has_turn ~= b.has_turn then return a.has_turn end
      if a.has_turn then return a.m.turn < b.m.turn end
      return a.m.share < b.m.share
    end, 1, #rows)
    return rows
  end

  local function set_targets(rows)
    local left = s.limit
    local rest = {}
    for _, r in ipairs(rows) do
      local part = max(r.m.need, min(r.demand, floor(s.limit / #rows)))
      if r.m.turn == 0 then part = max(part, min(r.demand, r.m.share)) end
      if r.has_turn and part <= left then
        r.target = part
        left = left - part
      else
        if r.m.turn > 0 then r.demand = min(r.demand, r.m.in_use) end
        rest[#rest + 1] = r
      end
    end
    stable_sort(rest, function(a, b) return a.demand < b.demand end, 1, #rest)
    local first, level = 1, 0
    while first <= #rest do
      level = floor(left / (#rest - first + 1))
      if rest[first].demand > level then break end
      rest[first].target = rest[first].demand
      left = left - rest[first].demand
      first = first + 1
    end
    stable_sort(rest, function(a, b)
      if a.m.share ~= b.m.share then return a.m.share > b.m.share end
      return a.m.turn_end > b.m.turn_end
    end, first, #rest)
    local odd = left - level * (#rest - first + 1)
    for i = first, #rest do
      rest[i].target = level + (odd > 0 and 1 or 0)
      odd = odd - 1
    end
  end

  local function grant(rows)
    for _, r in ipairs(rows) do
      local m = r.m
      local n = min(r.target - m.share, s.limit - s.used)
      if n > 0 then
        set_share(m, m.share + n)
        if m.turn > 0 and m.share >= m.need then
          m.turn = 0
          m.turn_end = s.now + s.slice
        end
      end
    end
  end

  local function recall(rows)
    local missing = excess()
    for _, r in ipairs(rows) do
      r.m.debt = min(r.m.debt, excess())
      r.m.recall = r.m.debt
      missing = missing + max(0, r.target - r.m.share) - r.m.recall
    end
    local function beyond(r) return r.m.share - r.target end
    stable_sort(rows, function(a, b) return beyond(a) > beyond(b) end, 1, #rows)
    for _, r in ipairs(rows) do
      local n = clamp(beyond(r) - r.m.recall, 0, max(0, missing))
      r.m.recall = r.m.recall + n
      missing = missing - n
    end
  end

  local function wanted_of_idle(rows)
    local wanted = 0
    for _, r in ipairs(rows) do wanted = wanted + max(0, r.demand - r.m.share) end
    return wanted
  end

  local function divide(rows)
    local was_wanted = s.idle_wanted > 0
    if is_learning then
      s.idle_wanted = 0
      for _, r in ipairs(rows) do r.m.recall = r.m.debt end
    else
      set_targets(rows)
      grant(rows)
      recall(rows)
      s.idle_wanted = wanted_of_idle(rows)
    end
    for _, r in ipairs(rows) do
      local is_asked = s.idle_wanted > 0 and not was_wanted and r.m.share > 0
      if r.m.share ~= r.share or r.m.recall ~= r.recall or is_asked then
        r.m.version = next_version()
        if r.m.share > r.share then r.m.token = r.m.version end
        changed[#changed + 1] = r
      end
    end
  end

  -- After all sessions were looked at.
  local function summarize(rows)
    s.soonest_end = 2 ^ 53 - 1
    s.is_calm = 1
    for _, r in ipairs(rows) do
      s.soonest_end = min(s.soonest_end, r.m.ends)
      if not is_calm(r.m, 0) then s.is_calm = 0 end
    end
  end

  load_all()
  local rows = make_rows()
  divide(rows)
  summarize(rows)
end

-- ---- The answer -----------------------------------------------------------------------------------

-- What changes in another member's session has a new version, except for the debt. If Redis refuses to write, it does
-- so at the first command, before anything is written. Lua cannot pass any number of arguments at once.
local state = struct.pack(STATE, VERSION, s.limit, s.lease, s.slice, s.used, s.now, s.wall, s.learning_until, s.version,
  s.epoch, s.turns, s.idle_wanted, s.soonest_end, s.is_calm, s.run_id)
if not sessions then
  redis.call('HSET', key, 'state', state, id, pack_session(m))
else
  local fields, left = { 'state', state }, {}
  for other, x in pairs(sessions) do
    if other == id or x.version ~= x.stored_version or x.debt ~= x.stored_debt then
      fields[#fields + 1] = other
      fields[#fields + 1] = pack_session(x)
    end
  end
  for _, other in ipairs(gone) do
    if not sessions[other] then left[#left + 1] = other end
  end
  for i = 1, #fields, 200 do redis.call('HSET', key, unpack(fields, i, min(i + 199, #fields))) end
  for i = 1, #left, 200 do redis.call('HDEL', key, unpack(left, i, min(i + 199, #left))) end
end
if status == LATE then return { serial, LATE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } end

for _, row in ipairs(changed) do
  local x = row.m
  if row.id ~= id then
    redis.call('PUBLISH', key .. ':news:' .. row.id,
      string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', s.epoch, x.version, x.share, x.recall, x.debt,
        s.idle_wanted, x.token, s.limit, s.lease, s.slice))
  end
end
local learning_left = max(0, s.learning_until - s.now)
if leave then
  return { serial, status, learning_left, s.epoch, left_version, 0, 0, 0, 0, 0, s.limit, s.lease, s.slice }
end
return {
  serial, status, learning_left, s.epoch, m.version, m.share, m.recall, m.debt, s.idle_wanted, m.token, s.limit,
  s.lease, s.slice
}
