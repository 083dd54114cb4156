package main

import (
	"fmt"

	"example.com/greetings/internal/words"
)

func main() {
	fmt.Println(words.From("hello"))
}
