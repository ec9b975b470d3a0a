from regent_runtime.main import main

main()
