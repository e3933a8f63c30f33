-- Writes every stanza between clients into the log, whole, for the end-to-end tests to see what a host tells of itself.

local function record(event)
	module:log("info", "Stanza: %s", tostring(event.stanza));
end

for _, kind in ipairs { "iq", "message", "presence" } do
	for _, target in ipairs { "bare", "full", "host" } do
		module:hook("pre-" .. kind .. "/" .. target, record, 1000);
	end
end
