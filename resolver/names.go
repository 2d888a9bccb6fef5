package resolver

import "slices"

var (
	ruleNames       = []string{"latest", "left", "right", "merge", "manual", "custom"}
	deletesNames    = []string{"by_rule", "delete_wins", "update_wins"}
	columnRuleNames = []string{"by_rule", "sum", "max", "min"}
)

// String returns the name of r as the config has it.
func (r Rule) String() string { return ruleNames[r] }

// String returns the name of d as the config has it, and "by_rule" for the default, which
// has no name there.
func (d Deletes) String() string { return deletesNames[d] }

// String returns the name of r as the config has it, and "by_rule" for the default, which
// has no name there.
func (r ColumnRule) String() string { return columnRuleNames[r] }

// ParseRule returns the rule called name: latest, left, right, merge, manual or custom.
func ParseRule(name string) (Rule, bool) {
	i := slices.Index(ruleNames, name)
	return Rule(max(i, 0)), i >= 0
}

// ParseDeletes returns the option called name: delete_wins or update_wins.
func ParseDeletes(name string) (Deletes, bool) {
	i := slices.Index(deletesNames, name)
	return Deletes(max(i, 0)), i > 0
}

// ParseColumnRule returns the column rule called name: sum, max or min.
func ParseColumnRule(name string) (ColumnRule, bool) {
	i := slices.Index(columnRuleNames, name)
	return ColumnRule(max(i, 0)), i > 0
}
