// The same by a script.
// must: error longer than or Memory or Time
// dialect: script
// handlers: mutate
// within: 10
request.object.data = "x".repeat(1e8);
mutate(request.object);
