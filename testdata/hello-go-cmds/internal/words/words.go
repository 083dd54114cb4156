// Package words is shared by both programs.
package words

// From says where a greeting comes from.
func From(program string) string {
	return program + " from Go"
}
