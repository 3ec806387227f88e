// Keys enough to flood a hash table.
// must: refused
// review: too many keys
function validate() {}
