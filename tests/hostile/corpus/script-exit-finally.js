// An exit that is caught, and run again for ever in what must run after it.
// must: deny first
// dialect: script
try { deny("first") } catch (e) { deny("caught") } finally { while (true) { try { deny("x") } finally { continue } } }
