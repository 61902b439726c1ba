def test_start(chat):
    answer = chat.chat.completions.create(model="text", messages=[{"role":"user","content":"hi"}])
    print(answer)
