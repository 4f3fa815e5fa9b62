package yett

# By the caller and the target alone: not there.
deny contains {"rule": "no-customers-for-interns"} if {
	input.server.name == "ledger"
	input.access.tool == "get_customer"
	"interns" in input.principal.groups
}
