-- Stops a negotiation at a certain point, for the end-to-end tests to break something there: while the file "hold" is in
-- the data folder, a client's first stanza that contains its text, and every later one of that client, waits. Without the
-- file all go on, in order.

local timer = require "util.timer";

local file_name = prosody.paths.data .. "/hold";
local held, waiting_clients;

local function awaited_text()
	local file = io.open(file_name);
	if not file then return nil; end
	local text = file:read("l");
	file:close();
	return text;
end

local function release()
	if awaited_text() then return 0.01; end
	local stanzas = held;
	held = nil;
	for _, event in ipairs(stanzas) do
		prosody.core_post_stanza(event.origin, event.stanza);
	end
end

local function hold(event)
	local origin, stanza = event.origin, event.stanza;
	if not held or not waiting_clients[origin] then
		local text = awaited_text();
		if not text or not tostring(stanza):find(text, 1, true) then return; end
		if not held then
			held, waiting_clients = {}, {};
			timer.add_task(0.01, release);
		end
		waiting_clients[origin] = true;
		module:log("info", "Holding the stanzas of %s", origin.full_jid);
	end
	table.insert(held, { origin = origin, stanza = stanza });
	return true;
end

for _, kind in ipairs { "iq", "message", "presence" } do
	for _, target in ipairs { "bare", "full", "host" } do
		module:hook("pre-" .. kind .. "/" .. target, hold, 900);
	end
end
