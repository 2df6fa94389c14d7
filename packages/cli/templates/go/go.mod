module function-name

go 1.24

require github.com/fnproject/fdk-go v0.1.18
