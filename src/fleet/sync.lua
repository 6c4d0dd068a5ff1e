-- Copyright (c) 2026 The turnstile authors
-- Distributed under the Boost Software License, Version 1.0 (see LICENSE)

-- The server's half of a semaphore that many processes use, for Redis 6.0 and newer, and Valkey. It repeats sync() of
-- server.cpp: the functions that both have stand in the same order, and their comments are there. What only the script
-- has is explained here.
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
-- numbers of `state`, and each member's id those of its `session`, in the order of pack_state() and pack_session(), as
-- doubles: to read numbers from text would take fifteen times as long. When the last member has left, only the field
-- `state` remains.
--
-- The script reads the other members' sessions, and creates the functions that divide the limit, only if a request needs
-- them. Lua creates the functions of a script anew at each call, and this takes longer the more upvalues they have.

local VERSION = 2  -- of the reply, and of what is stored; from 1 to 255
local key = KEYS[1]

-- The run id changes with each start of the server, and is another one on a replica. If there is none, as behind some
-- proxies, the server is taken for one that has just been started, once. The age is needed only if there is no state.
local function server_facts(is_new)
  local info, time = redis.call('INFO', 'server'), redis.call('TIME')
  local _, last = info:find('run_id:', 1, true)  -- a pattern would take ten times as long to get there
  local uptime = is_new and info:match('uptime_in_seconds:(-?%d+)')
  return {
    run_id = last and info:match('^%w+', last + 1) or 'unknown',
    wall = time[1] * 1000000 + time[2],
    age = (uptime or 0) * 1000000
  }
end

-- ---- C++'s library --------------------------------------------------------------------------------

local floor, max, min = math.floor, math.max, math.min
local function clamp(x, low, high) return max(low, min(x, high)) end

-- ---- Storage --------------------------------------------------------------------------------------

-- Two numbers are kept beside those of server.hpp, so that most requests need no other session than the member's own:
--
--   soonest_end  no lease ends before
--   is_calm      1 if all members were calm after the last request that looked at all, see is_calm()

-- A byte for the version, doubles with the lowest byte first, and a text.
local STATE, SESSION = '<Bddddddddddddds', '<ddddddddddddd'

local function pack_state(s)
  return struct.pack(STATE, VERSION, s.limit, s.lease, s.slice, s.used, s.now, s.wall, s.learning_until, s.version,
    s.epoch, s.turns, s.idle_wanted, s.soonest_end, s.is_calm, s.run_id)
end

local function unpack_state(text)
  local _, limit, lease, slice, used, now, wall, learning_until, version, epoch, turns, idle_wanted, soonest_end,
    is_calm, run_id = struct.unpack(STATE, text)
  return {
    limit = limit, lease = lease, slice = slice, used = used, now = now, wall = wall, learning_until = learning_until,
    version = version, epoch = epoch, turns = turns, idle_wanted = idle_wanted, soonest_end = soonest_end,
    is_calm = is_calm, run_id = run_id, sessions = {}
  }
end

local function new_state()
  return {
    limit = 0, lease = 0, slice = 0, used = 0, now = 0, wall = 0, learning_until = 0, version = 0, epoch = 0,
    turns = 0, idle_wanted = 0, soonest_end = 0, is_calm = 0, run_id = '', sessions = {}
  }
end

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

local function new_session()
  return {
    ends = 0, serial = 0, epoch = 0, version = 0, token = 0, share = 0, recall = 0, debt = 0,
    in_use = 0, want = 0, need = 0, turn = 0, turn_end = 0
  }
end

local function load_all(s)
  if s.has_all then return end
  s.has_all, s.gone = true, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local id = fields[i]
    if id ~= 'state' and not s.sessions[id] then s.sessions[id] = unpack_session(fields[i + 1]) end
  end
end

-- What changes in another member's session has a new version, except for the debt. If Redis refuses to write, it does
-- so at the first command, before anything is written. Lua cannot pass any number of arguments at once.
local function store(s, r)
  if not s.has_all then
    redis.call('HSET', key, 'state', pack_state(s), r.id, pack_session(s.sessions[r.id]))
    return
  end
  local fields, gone = { 'state', pack_state(s) }, {}
  for id, m in pairs(s.sessions) do
    if id == r.id or m.version ~= m.stored_version or m.debt ~= m.stored_debt then
      fields[#fields + 1] = id
      fields[#fields + 1] = pack_session(m)
    end
  end
  for _, id in ipairs(s.gone) do
    if not s.sessions[id] then gone[#gone + 1] = id end
  end
  for i = 1, #fields, 200 do redis.call('HSET', key, unpack(fields, i, min(i + 199, #fields))) end
  for i = 1, #gone, 200 do redis.call('HDEL', key, unpack(gone, i, min(i + 199, #gone))) end
end

-- ---- server.cpp -----------------------------------------------------------------------------------

local OK, CLAIMED, LATE, NO_LIMIT = 0, 1, 2, 3

local function given_up_after(lease) return floor(lease / 3) * 2 end
local function longest_step(lease) return floor(lease / 3) end

local function is_learning(s) return s.now < s.learning_until end
local function excess(s) return max(0, s.used - s.limit) end
local function set_share(s, m, share)
  s.used = s.used + share - m.share
  m.share = share
end
local function next_version(s)
  s.version = s.version + 1
  return s.version
end

-- ---- Time

local function move_time(s, wall)
  s.now = s.now + clamp(wall - s.wall, 0, longest_step(s.lease))
  s.wall = wall
end

local function end_leases(s)
  if s.now < s.soonest_end then return end
  load_all(s)
  for id, m in pairs(s.sessions) do
    if m.ends <= s.now then
      s.used = s.used - m.share
      s.sessions[id] = nil
      s.gone[#s.gone + 1] = id
    end
  end
end

local function begin_learning_if_needed(s, r, f)
  local is_new = s.run_id == ''
  local may_have_lost
  if is_new then
    may_have_lost = r.version > 0 or f.age < given_up_after(s.lease)
  else
    may_have_lost = s.run_id ~= f.run_id
  end
  if may_have_lost then s.learning_until = s.now + s.lease end
  s.version = max(s.version, r.version)
  if s.run_id ~= f.run_id then
    s.version = max(s.version + 1, f.wall)
    s.epoch = s.version
  end
  s.run_id = f.run_id
end

-- ---- The report of a member

local function claim(s, m, r)
  local known = m.share
  if r.lost then
    local is_restored = m.epoch ~= s.epoch and m.ends - s.now > floor(s.lease / 3)
    if r.epoch ~= s.epoch and not is_restored then known = 0 end
    r.held = max(r.in_use, min(r.held, known))
    r.keep = min(r.keep, r.held)
  end
  local is_claim = r.held > m.share
  if is_claim then
    set_share(s, m, r.held)
    m.version = next_version(s)
    m.token = m.version
  end
  local claimed = max(0, r.held - known)
  if not is_learning(s) then
    m.debt = m.debt + min(claimed, excess(s))
  else
    m.debt = max(m.debt, r.debt, r.lost and claimed or 0)
  end
  return is_claim
end

local function give_back(s, m, r)
  local unheard = r.epoch == s.epoch and m.share - r.held or 0
  if m.share ~= r.keep + unheard then m.version = next_version(s) end
  set_share(s, m, r.keep + unheard)
  m.debt = clamp(m.debt - (r.held - r.keep), 0, m.share)
end

local function take_report(s, m, r)
  if m.version == 0 then m.version = next_version(s) end
  local claimed = claim(s, m, r)
  give_back(s, m, r)
  if m.epoch ~= s.epoch and m.share > 0 and not claimed then
    m.version = next_version(s)
    m.token = m.version
  end
  m.serial = r.serial
  m.epoch = s.epoch
  m.ends = s.now + s.lease
  m.in_use = r.in_use
  m.want = r.want
  m.need = 0
  if r.need <= s.limit then m.need = r.need end
  if m.need <= m.share then
    m.turn = 0
  elseif m.turn == 0 then
    s.turns = s.turns + 1
    m.turn = s.turns
  end
  return claimed and CLAIMED or OK
end

-- ---- Shares

local function is_calm(m, free)
  return m.want <= m.share + free and m.need == 0 and m.recall == 0 and m.debt == 0
end

-- Answers the request without the other members' sessions if it can. Returns false if the limit has to be divided.
-- If all members are calm and the shares are within the limit, there is nothing to divide: no demand is above a share,
-- so no target is, and nothing is granted or missing. A calm member waits for no turn, since it has no need.
-- If only this member wants more, and that much is free, all demands are met, and no other share changes. This does not
-- hold before `turn_end`: until then, the division may give the member less than it wants.
local function serve_alone(s, m)
  if s.has_all or s.is_calm == 0 or s.used > s.limit then return false end
  local may_grow = not is_learning(s) and m.turn_end <= s.now
  if not is_calm(m, may_grow and s.limit - s.used or 0) then return false end
  if m.want > m.share then
    set_share(s, m, m.want)
    m.version = next_version(s)
    m.token = m.version
  end
  return true
end

-- Looks at all members, and returns the rows of those whose news have changed.
local function divide_anew(s)
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
  local function make_rows(s)
    local ids, rows = {}, {}
    for id in pairs(s.sessions) do ids[#ids + 1] = id end
    table.sort(ids)
    for i, id in ipairs(ids) do
      local m = s.sessions[id]
      local is_silent = m.ends - s.now < s.lease - floor(s.lease / 4)
      rows[i] = {
        id = id,
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

  local function set_targets(s, rows)
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

  local function grant(s, rows)
    for _, r in ipairs(rows) do
      local m = r.m
      local n = min(r.target - m.share, s.limit - s.used)
      if n > 0 then
        set_share(s, m, m.share + n)
        if m.turn > 0 and m.share >= m.need then
          m.turn = 0
          m.turn_end = s.now + s.slice
        end
      end
    end
  end

  local function recall(s, rows)
    local missing = excess(s)
    for _, r in ipairs(rows) do
      r.m.debt = min(r.m.debt, excess(s))
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

  local function divide(s, rows)
    local was_wanted = s.idle_wanted > 0
    if is_learning(s) then
      s.idle_wanted = 0
      for _, r in ipairs(rows) do r.m.recall = r.m.debt end
    else
      set_targets(s, rows)
      grant(s, rows)
      recall(s, rows)
      s.idle_wanted = wanted_of_idle(rows)
    end
    local changed = {}
    for _, r in ipairs(rows) do
      local is_asked = s.idle_wanted > 0 and not was_wanted and r.m.share > 0
      if r.m.share ~= r.share or r.m.recall ~= r.recall or is_asked then
        r.m.version = next_version(s)
        if r.m.share > r.share then r.m.token = r.m.version end
        changed[#changed + 1] = r
      end
    end
    return changed
  end

  -- After all sessions were looked at.
  local function summarize(s, rows)
    s.soonest_end = 2 ^ 53 - 1
    s.is_calm = 1
    for _, r in ipairs(rows) do
      s.soonest_end = min(s.soonest_end, r.m.ends)
      if not is_calm(r.m, 0) then s.is_calm = 0 end
    end
  end

  load_all(s)
  local rows = make_rows(s)
  local changed = divide(s, rows)
  summarize(s, rows)
  return changed
end

-- ---- News

local function news_about(s, m)
  return s.epoch, m.version, m.share, m.recall, m.debt, s.idle_wanted, m.token, s.limit, s.lease, s.slice
end

-- ---- sync()

-- This is the script itself and not a function, because a function would have most names of the script as upvalues.

local a = ARGV
local r = {  -- adding 0 makes a number of a text, in half of the time that tonumber() takes
  id = a[1], serial = a[2] + 0, epoch = a[3] + 0, version = a[4] + 0, lease = a[5] + 0, slice = a[6] + 0,
  limit = a[7] + 0, set_limit = a[8] + 0, lost = a[9] == '1', held = a[10] + 0, debt = a[11] + 0,
  in_use = a[12] + 0, keep = a[13] + 0, want = a[14] + 0, need = a[15] + 0, leave = a[16] == '1'
}
if not r.id:find('^[0-9a-f]+$') then return redis.error_reply('ERR the id must be of lower-case hexadecimal digits') end

local stored = redis.pcall('HMGET', key, 'state', r.id)
if stored.err and not stored.err:find('WRONGTYPE') then return stored end
if stored.err or not stored[1] and redis.call('EXISTS', key) == 1 then
  return redis.error_reply('TURNSTILE the key holds something else than a semaphore')
end
if stored[1] and stored[1]:byte() ~= VERSION then
  return redis.error_reply('TURNSTILE the key was written by another version of this script, or by another program')
end
local s = stored[1] and unpack_state(stored[1]) or new_state()
if stored[2] then s.sessions[r.id] = unpack_session(stored[2]) end
local f = server_facts(s.run_id == '')

if s.limit == 0 and r.limit == 0 and r.set_limit == 0 then
  return { r.serial, NO_LIMIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
end
if r.leave or not s.sessions[r.id] then load_all(s) end
move_time(s, f.wall)
end_leases(s)
if next(s.sessions) == nil then
  s.lease = r.lease
  s.slice = r.slice
end
begin_learning_if_needed(s, r, f)
local m = s.sessions[r.id]
if m and r.serial <= m.serial then
  store(s, r)
  return { r.serial, LATE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
end
if r.set_limit > 0 then
  s.limit = r.set_limit
elseif s.limit == 0 then
  s.limit = r.limit
end

local status, version = OK, nil
if r.leave then
  if m then
    set_share(s, m, 0)
    s.sessions[r.id] = nil
    s.gone[#s.gone + 1] = r.id
  end
  version = s.version
else
  if not m then
    m = new_session()
    s.sessions[r.id] = m
  end
  status = take_report(s, m, r)
end
local changed = not serve_alone(s, m) and divide_anew(s) or {}
store(s, r)
for _, row in ipairs(changed) do
  if row.id ~= r.id then
    redis.call('PUBLISH', key .. ':news:' .. row.id,
      string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', news_about(s, row.m)))
  end
end
local learning_left = max(0, s.learning_until - s.now)
if r.leave then
  return { r.serial, status, learning_left, s.epoch, version, 0, 0, 0, 0, 0, s.limit, s.lease, s.slice }
end
return { r.serial, status, learning_left, news_about(s, m) }
