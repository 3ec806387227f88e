// More weak references than V8 can keep through one turn.
// must: error WeakRef is not defined
// dialect: script
for (;;) new WeakRef({});
