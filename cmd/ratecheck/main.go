// Command ratecheck load-tests LLM proxies and checks whether their rate limits
// are true. Run it without arguments for its commands.
package main

import "os"

func main() {
	os.Exit(newApp().main(os.Args[1:]))
}
