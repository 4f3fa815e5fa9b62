package yett

# By the arguments: listed, and refused with a reason.
deny contains {"rule": "large-sums", "reason": msg} if {
	input.server.name == "ledger"
	input.access.tool == "add"
	input.arguments.a > 1000
	msg := sprintf("At most 1000, and this is %v.", [input.arguments.a])
}
